/* SPDX-License-Identifier: MIT */
#include "meshd/io/fault.h"

#include <stdio.h>

int fault_set(struct fault *fault, enum fault_status status, int error, const char *format, ...)
{
        va_list arguments;

        fault->status = (int)status;
        va_start(arguments, format);
        vsnprintf(fault->text, sizeof(fault->text), format, arguments);
        va_end(arguments);
        return error;
}

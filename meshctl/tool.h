/* SPDX-License-Identifier: MIT */
#pragma once
/* meshctl as a whole: command line in, exit status out. */

int tool_run(int argc, char **argv);

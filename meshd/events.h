/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the core reports, as lines of the log: which event has which name and level.
 */
#include "meshd/core/core.h"

void events_log(const struct core_event *event);

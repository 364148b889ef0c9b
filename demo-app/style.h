/* SPDX-License-Identifier: MIT */
#pragma once

/* The stylesheet that each page carries; light and dark as the reader's system is. */
extern const char style_sheet[];

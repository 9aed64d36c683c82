/*
 * SPDX-FileCopyrightText: Copyright (c) 2026, NVIDIA CORPORATION.
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once

#define CUVS_VERSION_MAJOR 26
#define CUVS_VERSION_MINOR 10
#define CUVS_VERSION_PATCH 0

#ifndef CUVS_VERSION
#define CUVS_VERSION "26.10.0"
#endif

#ifndef CUVS_VERSION_GT
#define CUVS_VERSION_GT(maj, min, pat) \
  ((CUVS_VERSION_MAJOR > (maj)) || \
   ((CUVS_VERSION_MAJOR == (maj)) && \
    ((CUVS_VERSION_MINOR > (min)) || \
     ((CUVS_VERSION_MINOR == (min)) && (CUVS_VERSION_PATCH > (pat))))))
#endif

#ifndef CUVS_VERSION_LT
#define CUVS_VERSION_LT(maj, min, pat) \
  ((CUVS_VERSION_MAJOR < (maj)) || \
   ((CUVS_VERSION_MAJOR == (maj)) && \
    ((CUVS_VERSION_MINOR < (min)) || \
     ((CUVS_VERSION_MINOR == (min)) && (CUVS_VERSION_PATCH < (pat))))))
#endif

#ifndef CUVS_VERSION_EQ
#define CUVS_VERSION_EQ(maj, min, pat) \
  ((CUVS_VERSION_MAJOR == (maj)) && \
   (CUVS_VERSION_MINOR == (min)) && \
   (CUVS_VERSION_PATCH == (pat)))
#endif

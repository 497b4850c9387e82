// SPDX-License-Identifier: Apache-2.0
// Named fault points, for tests: MVIMIG_FAULT="NAME:ACTION[:NTH]" (comma-separated).
// ACTION is kill (SIGKILL to ourselves), fail (the call site takes its error path), sleep=MS, or
// hold=PATH (waits as long as that file is there: a test that has to meet something in the middle
// waits for it and then removes the file, however slow the machine is; PATH.met is there from when
// it waits).
// NTH counts from 1 and fires once; "NTH+" fires from then on;
// without NTH it fires each time. Compiled in with -DMVIMIG_FAULTS=ON
// (the dev and asan presets); in a release build FAULT() is the constant 0.
//
// fault_hit returns 0, or the errno to pretend (EIO unless "fail=ENOSPC" or another name says so).
#pragma once

#ifdef MVIMIG_FAULTS
int fault_hit(const char *name);
#define FAULT(name) fault_hit(name)
#else
#define FAULT(name) 0
#endif

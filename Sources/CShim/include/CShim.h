// The only C and assembly of vmrun. Each header says why its part cannot be Swift.
#pragma once

#include "vmrun_abi.h"
#include "vmrun_arguments.h"
#include "vmrun_atomic.h"
#include "vmrun_copy.h"
#include "vmrun_faults.h"
#include "vmrun_heap.h"
#include "vmrun_kvm.h"
#include "vmrun_names.h"
#include "vmrun_paths.h"
#include "vmrun_shim_arm64.h"
#include "vmrun_shim_x86_64.h"
#include "vmrun_signal.h"
#include "vmrun_syscall.h"
#include "vmrun_thread.h"
#include "vmrun_turn.h"

// Atomic access to words in memory that processes share. In C because Swift's Atomic cannot be placed at an address.
#pragma once

#include <stdint.h>

static inline int32_t vmrun_atomic_load(const int32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void vmrun_atomic_store(int32_t *word, int32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/// Sets or clears bits that a signal handler of this very thread also changes.
static inline void vmrun_set_bits(volatile uint32_t *word, uint32_t bits)
{
    __atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
}

static inline void vmrun_clear_bits(volatile uint32_t *word, uint32_t bits)
{
    __atomic_fetch_and(word, ~bits, __ATOMIC_RELAXED);
}

/// Stores `desired` where the word is `expected`; 1 where it did.
static inline int vmrun_atomic_exchange_if(int32_t *word, int32_t expected, int32_t desired)
{
    return __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline uint64_t vmrun_atomic_load64(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void vmrun_atomic_store64(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/// Stores `desired` where the word is `expected`; 1 where it did.
static inline int vmrun_atomic_exchange_if64(uint64_t *word, uint64_t expected, uint64_t desired)
{
    return __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/// What was read before is older than what is read after.
static inline void vmrun_atomic_read_fence(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/// A counter that nobody reads before others have ended.
static inline void vmrun_atomic_add64(uint64_t *word, uint64_t value)
{
    __atomic_fetch_add(word, value, __ATOMIC_RELAXED);
}

// Reading the identification registers. In C because each has an instruction of its own.
#if defined(__aarch64__)
#include "vmrun_kvm.h"

#define REGISTER(crm, op2)                                                          \
    case (crm) << 3 | (op2):                                                        \
        __asm__("mrs %0, S3_0_C0_C" #crm "_" #op2 : "=r"(*value)); \
        return 1

int vmrun_identification_register(uint32_t crm, uint32_t op2, uint64_t *value)
{
    *value = 0;
    switch (crm << 3 | op2) {
        REGISTER(0, 0); // MIDR_EL1
        REGISTER(0, 5); // MPIDR_EL1
        REGISTER(0, 6); // REVIDR_EL1
        REGISTER(4, 0); // ID_AA64PFR0_EL1
        REGISTER(4, 1);
        REGISTER(4, 4); // ID_AA64ZFR0_EL1
        REGISTER(4, 5); // ID_AA64SMFR0_EL1
        REGISTER(5, 0); // ID_AA64DFR0_EL1
        REGISTER(6, 0); // ID_AA64ISAR0_EL1
        REGISTER(6, 1);
        REGISTER(6, 2);
        REGISTER(7, 0); // ID_AA64MMFR0_EL1
        REGISTER(7, 1);
        REGISTER(7, 2);
    default:
        // The others are zero: the kernel shows nothing of them.
        return crm == 0 || (crm >= 2 && crm <= 7);
    }
}
#else
// A translation unit must not be empty.
typedef int vmrun_no_identification_registers;
#endif

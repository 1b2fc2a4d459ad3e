import CShim
import Host
import Testing

@testable import Process

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private func plan() -> ExecPlan {
    var plan = ExecPlan()
    plan.executable = 4097
    plan.interpreter = 4098
    plan.arguments = [bytes("a"), [], bytes("two words")]
    plan.environment = [bytes("A=b"), bytes("ODD")]
    plan.execfn = bytes("/bin/a")
    plan.executablePath = bytes("/usr/bin/a")
    plan.comm = bytes("a")
    plan.auxiliaryFlags = 1
    plan.root = bytes("root")
    plan.viewDescriptors = [4103, 4104]
    plan.interpreters = [bytes("arm"), bytes("/x")]
    plan.timeout = 7
    plan.stackLimit = .max
    plan.personality = 0x40000
    plan.blockedMask = 1 << 63
    plan.ignoredMask = 5
    plan.sessionDescriptor = 4099
    plan.kvmDescriptor = 4101
    plan.processor = bytes("processor")
    plan.sharedMemoryDescriptor = 4102
    plan.parentsSocket = 4106
    plan.notifyDescriptor = 4100
    plan.descriptorBase = 4096
    plan.descriptorLimit = 1024
    plan.descriptorHardLimit = 4096
    plan.coredumpFilter = 0x7f
    plan.hasRenouncedPrivileges = true
    return plan
}

@Test func plansAreReadBack() {
    #expect(ExecPlan(decoding: plan().encoded()) == plan())
    #expect(ExecPlan(decoding: ExecPlan().encoded()) == ExecPlan())
}

@Test func plansAreReadWholeOrNotAtAll() {
    let whole = plan().encoded()
    for length in 0..<whole.count { #expect(ExecPlan(decoding: Array(whole[..<length])) == nil) }
    #expect(ExecPlan(decoding: whole + [0]) == nil)
}

/// Lengths and counts may say anything.
@Test func mutatedPlansAreReadOrRefused() {
    let whole = plan().encoded()
    var refused = 0
    for position in whole.indices {
        for value in [0, 1, 0x7f, 0x80, 0xff] as [UInt8] {
            var mutant = whole
            mutant[position] = value
            if ExecPlan(decoding: mutant) == nil { refused += 1 }
            for follower in position..<min(position + 4, whole.count) { mutant[follower] = value }
            if ExecPlan(decoding: mutant) == nil { refused += 1 }
        }
    }
    #expect(refused > 100)
}

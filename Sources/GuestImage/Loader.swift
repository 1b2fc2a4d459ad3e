import CShim
import GuestMemory
import LinuxABI

/// Puts a prepared program into an empty address space, as load_elf_binary() in fs/binfmt_elf.c does.
public enum Loader {
    /// What a stack without a limit gets, and the most that any gets: address space only, paid for when touched.
    private static let largestStack: UInt64 = 1 << 30
    /// Room below the initial stack in any case, as setup_arg_pages() has it.
    private static let leastStackRoom: UInt64 = 128 << 10

    /// Maps the program, its interpreter and its stack through `mapper`, sets the break, and writes the initial stack.
    /// Any error leaves an address space to be thrown away.
    public static func load(
        _ program: PreparedProgram, into mapper: any ImageMapper, context: StartContext
    ) throws(ImageError) -> StartState {
        do throws(GuestErrno) {
            return try map(program, mapper, context)
        } catch {
            throw .mappingFailed(error)
        }
    }

    private static func map(
        _ program: PreparedProgram, _ mapper: any ImageMapper, _ context: StartContext
    ) throws(GuestErrno) -> StartState {
        let image = program.image
        let stackRange = try mapStack(program, mapper)
        let hasInterpreter = program.interpreter != nil
        // A static position-independent program may be a loader itself: Linux keeps it and its break apart.
        let bias = try place(image, mapper, hasInterpreter ? .program : .mmapRegion, stackRange)
        try mapSegments(image, program.executable, bias, mapper)
        var interpreterBase: UInt64 = 0
        var entry = bias &+ image.entry
        if let interpreter = program.interpreter {
            interpreterBase = try place(interpreter.image, mapper, .mmapRegion, stackRange)
            try mapSegments(interpreter.image, interpreter.file, interpreterBase, mapper)
            entry = interpreterBase &+ interpreter.image.entry
        }
        // The last of load_elf_binary()'s checks; an entry that is merely not mapped is the first instruction's fault.
        guard entry < Arena.top else { throw .EINVAL }
        let follows = hasInterpreter || !image.isRelocatable
        let brkStart = try mapper.setBreak(start: follows ? bias &+ image.span.upperBound : mapper.programBase)

        let programHeaders = bias &+ image.programHeaders
        let placement = InitialStack.Placement(
            programHeaders: programHeaders, programHeaderCount: image.programHeaderCount,
            interpreterBase: interpreterBase, entry: bias &+ image.entry, flags: program.auxiliaryFlags)
        let stack = try InitialStack(
            program: program, placement: placement, context: context, top: stackRange.upperBound)
        let extents = image.extents
        return StartState(
            entry: entry, stackPointer: stack.stackPointer, brkStart: brkStart, stackRange: stackRange,
            argStart: stack.argStart, argEnd: stack.argEnd, envStart: stack.envStart, envEnd: stack.envEnd,
            executableEntry: bias &+ image.entry, executableBase: bias, interpreterBase: interpreterBase,
            codeRange: (bias &+ extents.code.lowerBound)..<(bias &+ extents.code.upperBound),
            dataRange: (bias &+ extents.data.lowerBound)..<(bias &+ extents.data.upperBound),
            auxiliaryVector: stack.auxiliaryVector)
    }

    private static func mapStack(
        _ program: PreparedProgram, _ mapper: any ImageMapper
    ) throws(GuestErrno) -> Range<UInt64> {
        let least = InitialStack.size(of: program) + leastStackRoom
        let length = Arena.pageUp(max(min(program.limits.stackLimit, largestStack), least))
        let prot = PROT_READ | PROT_WRITE | (program.image.hasExecutableStack ? PROT_EXEC : 0)
        let top = try mapper.mapStack(length: length, prot: prot)
        guard top >= length, Arena.contains(GuestAddress(top - length), length: length) else { throw .ENOMEM }
        return (top - length)..<top
    }

    /// The load bias of `image`: 0 for a fixed one.
    private static func place(
        _ image: ELFImage, _ mapper: any ImageMapper, _ placement: ImagePlacement, _ stack: Range<UInt64>
    ) throws(GuestErrno) -> UInt64 {
        guard image.isRelocatable else {
            // MAP_FIXED_NOREPLACE's answer, since the stack is all there is before.
            guard !image.span.overlaps(stack) else { throw .EEXIST }
            return 0
        }
        // The bias shall be a multiple of the alignment, wherever the first segment begins in it.
        let phase = image.span.lowerBound & (image.alignment - 1)
        let length = image.span.upperBound - image.span.lowerBound + phase
        let start = try mapper.freeRange(length: length, alignment: image.alignment, placement: placement)
        guard start & (image.alignment - 1) == 0, Arena.contains(GuestAddress(start), length: length) else {
            throw .ENOMEM
        }
        return start &+ phase &- image.span.lowerBound
    }

    private static func mapSegments(
        _ image: ELFImage, _ file: ProgramFile, _ bias: UInt64, _ mapper: any ImageMapper
    ) throws(GuestErrno) {
        for segment in image.segments {
            let start = Arena.pageDown(bias &+ segment.address)
            var zeroStart = start
            if segment.fileSize > 0 {
                let fileEnd = bias &+ segment.fileEnd
                zeroStart = Arena.pageUp(fileEnd)
                try mapper.mapFile(
                    address: start, length: zeroStart - start, prot: segment.prot, descriptor: file.descriptor,
                    offset: Arena.pageDown(segment.offset))
                // To the end of the page, not of the segment: libc's allocators take the rest of it for zero.
                if segment.memorySize > segment.fileSize && segment.prot & PROT_WRITE != 0 {
                    try GuestAccess.zero(GuestAddress(fileEnd), count: zeroStart - fileEnd)
                }
            }
            let zeroEnd = Arena.pageUp(bias &+ segment.end)
            if segment.memorySize > segment.fileSize && zeroEnd > zeroStart {
                // Whatever p_flags says of writing: the kernel uses vm_brk_flags(), which knows execution only.
                try mapper.mapAnonymous(
                    address: zeroStart, length: zeroEnd - zeroStart,
                    prot: PROT_READ | PROT_WRITE | (segment.prot & PROT_EXEC))
            }
        }
    }
}

extension ELFImage {
    /// start_code to end_code and start_data to end_data, as load_elf_binary() computes them.
    fileprivate var extents: (code: Range<UInt64>, data: Range<UInt64>) {
        var startCode = UInt64.max
        var endCode: UInt64 = 0
        var startData: UInt64 = 0
        var endData: UInt64 = 0
        for segment in segments {
            let isCode = segment.prot & PROT_EXEC != 0
            if isCode { startCode = min(startCode, segment.address) }
            if isCode { endCode = max(endCode, segment.fileEnd) }
            startData = max(startData, segment.address)
            endData = max(endData, segment.fileEnd)
        }
        return (startCode <= endCode ? startCode..<endCode : 0..<0, startData <= endData ? startData..<endData : 0..<0)
    }
}

import CShim
import CommandLineOptions
import Host
import RootDirectory

let options: Options
do throws(OptionError) {
    options = try Options.parse(HostArguments.words)
} catch {
    Message.fail(error.sentence, status: OptionError.exitStatus)
}

switch options.command {
case .help: Message.print(Options.usageText)
case .version: Message.print(Options.versionText)
case .doctor: Doctor.run()
case .rootCreate(let request):
    RootCreation(
        directory: request.directory, suite: request.suite, architecture: request.architecture, mirror: request.mirror,
        packages: request.packages, environment: HostArguments.environment
    ).run()
case .rootCheck(let directory, let programs):
    var check = RootCheck(directory: directory)
    if !check.run(programs: programs) { _ = Host.raw(Int32(SYS_exit_group), 1) }
case .run(let program, let arguments):
    if let descriptor = options.helperDescriptor {
        Launch.continueExec(descriptor)
    } else {
        Launch.start(options, program: program, arguments: arguments)
    }
}

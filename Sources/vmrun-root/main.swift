import CShim
import CommandLineOptions
import Host
import RootDirectory

let request: RootRequest
do throws(OptionError) { request = try RootRequest(ProgramWords.arguments) } catch {
    Message.fail(error.sentence, status: OptionError.exitStatus)
}
switch request {
case .create(let creation):
    RootCreation(
        directory: creation.directory, suite: creation.suite, architecture: creation.architecture, mirror: creation.mirror,
        packages: creation.packages, environment: ProgramWords.environment
    ).run()
case .check(let directory, let programs):
    var check = RootCheck(directory: directory)
    exit(check.run(programs: programs) ? 0 : 1)
}

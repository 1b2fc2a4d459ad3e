import CShim
import CommandLineOptions
import Host

func fail(_ sentence: String, _ request: RuntimeRequest?) -> Never {
    if let log = request?.log {
        let descriptor = HostFile.open(log, O_WRONLY | O_CREAT | O_APPEND, mode: 0o644)
        var line = "vmrun-oci: " + sentence + "\n"
        if request?.logsJSON == true, let json = JSON.object() {
            json.set("level", Array("error".utf8))
            json.set("msg", Array(sentence.utf8))
            line = json.text
        }
        HostFile.append(Array(line.utf8)[...], to: descriptor)
    }
    HostFile.append(Array("vmrun-oci: \(sentence)\n".utf8)[...], to: 2)
    exit(1)
}

let request: RuntimeRequest
do throws(OptionError) { request = try RuntimeRequest(ProgramWords.arguments) } catch { fail(error.sentence, nil) }
if request.isVersion {
    Message.print("vmrun-oci version \(Options.version)\nspec: 1.2.0\n")
    exit(0)
}
do throws(RuntimeError) {
    exit(Int32(try Runtime(request: request, environment: ProgramWords.environment).run()))
} catch {
    fail(error.sentence, request)
}

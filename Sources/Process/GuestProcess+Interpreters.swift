import GuestImage

extension GuestProcess {
    /// Translators for foreign programs: none are registered yet.
    var interpreters: InterpreterRegistry { InterpreterRegistry() }
}

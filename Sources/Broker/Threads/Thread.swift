// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A thread of the operating system that runs one function and can be waited for.
///
/// Blocking file calls belong on these, never on an event loop: a slow disk must not make a heartbeat late.
struct Thread: Sendable {
    private let id: pthread_t

    /// Starts `body` on a thread of that name (at most 15 bytes show in `top` and in debuggers).
    init(name: String, _ body: @escaping @Sendable () -> Void) {
        let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
                nameThisThread(start.name)
                start.body()
                return nil
            },
            start.toOpaque()
        )
        precondition(result == 0, "the system gave no thread for \(name): errno \(result); raise the process limit")
        self.id = thread
    }

    /// Waits until the function has returned. To be called once.
    func join() {
        pthread_join(self.id, nil)
    }
}

private final class ThreadStart {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

/// Names the calling thread for `top` and debuggers. The C functions for it are variadic or hidden from Swift, so the
/// name goes through the file that Linux has for it. Without it only the name is missing.
private func nameThisThread(_ name: String) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    if descriptor < 0 { return }
    _ = name.utf8.prefix(15).withContiguousStorageIfAvailable { write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
}

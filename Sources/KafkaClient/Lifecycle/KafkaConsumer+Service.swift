// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if ServiceLifecycle

public import ServiceLifecycle

extension KafkaConsumer: Service {
    /// Closes the consumer when the service group around ``run()`` shuts down gracefully. Ends with its task.
    func closeOnGracefulShutdown() async {
        do {
            try await gracefulShutdown()
            self.close()
        } catch {
            // Cancelled: `run()` ends by itself.
        }
    }
}

#endif

// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Metrics
import Metrics
#endif

/// Where the clients of one cluster report to, found out once.
struct ClientTelemetry: Sendable {
    /// Nil where nobody collects.
    let metrics: (any ClientMetrics)?
    #if Tracing
    /// Nil where nobody traces.
    let tracing: ClientTracing?
    #endif

    init(_ configuration: KafkaClusterConfiguration) {
        #if Metrics
        let factory = configuration.metricsFactory ?? MetricsSystem.factory
        self.metrics = factory is NOOPMetricsHandler ? nil : MetricsRecorder(factory: factory)
        #else
        self.metrics = nil
        #endif
        #if Tracing
        self.tracing = ClientTracing(configuration.tracer, clientID: configuration.connection.clientID)
        #endif
    }
}

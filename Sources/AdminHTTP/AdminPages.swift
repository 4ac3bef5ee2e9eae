// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import PrometheusText

/// What an admin port has to tell: closures, so that it need not know what it tells of.
///
/// All are called on threads of Swift's pool, never on the event loops that serve clients, and several may run at once.
public struct AdminPages: Sendable {
    /// What it is that is being operated, for the page at `/`: a name and a version.
    public var title: String
    /// Writes the metrics. Must not wait for a disk.
    public var metrics: @Sendable () -> MetricsPage
    /// Whether the process lives: an orchestrator restarts it when this is bad.
    public var health: @Sendable () async -> HealthReport
    /// Whether clients may be sent here: an orchestrator takes it out of its Services while this is bad.
    public var readiness: @Sendable () async -> HealthReport

    /// The pages of one process.
    public init(
        title: String, metrics: @escaping @Sendable () -> MetricsPage,
        health: @escaping @Sendable () async -> HealthReport, readiness: @escaping @Sendable () async -> HealthReport
    ) {
        self.title = title
        self.metrics = metrics
        self.health = health
        self.readiness = readiness
    }

    /// What a path is answered with, whatever speaks HTTP around it.
    struct Page {
        /// The HTTP status code.
        var status: Int
        var contentType: String
        var body: [UInt8]
    }

    private static let plainText = "text/plain; charset=utf-8"

    /// The answer for a path, without its query.
    ///
    /// - Parameter accept: the Accept header, if there is one.
    func page(at path: String, accept: String?) async -> Page {
        switch path {
        case "/metrics":
            let page = self.metrics()
            return Page(status: 200, contentType: MetricsPage.contentType, body: page.bytes)
        case "/healthz", "/livez": return Self.page(of: await self.health(), accept)
        case "/readyz": return Self.page(of: await self.readiness(), accept)
        case "/":
            return Page(status: 200, contentType: Self.plainText, body: Array(self.index.utf8))
        default:
            return Page(
                status: 404, contentType: Self.plainText, body: Array("There is no such page.\n\(self.index)".utf8))
        }
    }

    private static func page(of report: HealthReport, _ accept: String?) -> Page {
        let isJSON = accept?.lowercased().contains("application/json") == true
        return Page(
            status: report.isGood ? 200 : 503, contentType: isJSON ? "application/json" : Self.plainText,
            body: Array((isJSON ? report.json : report.text).utf8))
    }

    private var index: String {
        """
        \(self.title)

        /metrics   what it measures, for Prometheus
        /healthz   200 while the process lives, else 503; text, or JSON by Accept
        /readyz    200 while clients are served, else 503 and what is missing; text, or JSON by Accept

        """
    }
}

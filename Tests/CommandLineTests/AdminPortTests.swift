// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import AdminHTTP
import Dispatch
import NIOCore
import NIOPosix
import PrometheusText
import Testing

@testable import martlet

@Suite("How the admin port sees its process")
struct AdminPortTests {
    private static func port(_ clients: any EventLoopGroup) -> AdminPort {
        AdminPort(
            clients: clients, timers: MultiThreadedEventLoopGroup.singleton.next(),
            process: ProcessMetrics(startedAtMs: 0, version: "1.2.3"))
    }

    @Test("until the logs are open the process lives, is not ready, and shows metrics of itself")
    func opening() async {
        let pages = Self.port(MultiThreadedEventLoopGroup.singleton).pages
        #expect(await pages.health().isGood)
        let report = await pages.readiness()
        #expect(!report.isGood && report.checks.map(\.name) == ["logs"])
        #expect(!pages.metrics().bytes.isEmpty)
        #expect(pages.title == "Martlet 1.2.3")
    }

    @Test("an event loop that does not get on makes it unhealthy, and getting on makes it healthy again")
    func stuckLoop() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let pages = Self.port(group).pages
        let blocked = DispatchSemaphore(value: 0)
        group.next().execute { blocked.wait() }
        let report = await pages.health()
        #expect(!report.isGood)
        #expect(report.text.contains("1 of 2 did not answer"), "\(report.text)")
        blocked.signal()
        #expect(await pages.health().isGood)
        try await group.shutdownGracefully()
    }
}

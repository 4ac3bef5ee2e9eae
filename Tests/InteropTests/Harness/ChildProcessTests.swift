// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

@Suite("Programs that tests start") struct ChildProcessTests {
    private static let rounds = 100
    private static let limit = Duration.seconds(20)

    @Test("the end of one is noticed while another that was started beside it goes on")
    func startedTogether() async throws {
        let sleep = try Programs.found("sleep")
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-children-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for round in 0..<Self.rounds {
            async let long = ChildProcess(sleep, ["1000"], folder: folder)
            async let short = ChildProcess(sleep, ["0"], folder: folder)
            async let other = ChildProcess(sleep, ["1000"], folder: folder)
            let (going, ending, goingToo) = try await (long, short, other)
            defer { for child in [going, goingToo] { child.send(SIGKILL) } }
            let exit = try await ending.waitForExit(within: Self.limit)
            #expect(exit == .success, "round \(round)")
        }
    }
}

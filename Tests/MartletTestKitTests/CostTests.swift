// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import MartletTestKit
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What a broker costs a test. Counts of the whole process mean something only while nothing else runs in it, so this is to be
/// asked for, alone: `MARTLET_MEASURE=1 swift test --filter CostTests`.
@Suite(.enabled(if: getenv("MARTLET_MEASURE") != nil), .serialized) struct CostTests {
    private static let rounds = 50

    @Test("a broker starts and stops in milliseconds", arguments: [MartletStorage.memory, .temporaryDirectory])
    func startAndStop(storage: MartletStorage) async throws {
        var (starts, stops): ([Duration], [Duration]) = ([], [])
        let clock = ContinuousClock()
        for _ in 0..<Self.rounds {
            let began = clock.now
            let martlet = try await Martlet.start(MartletConfiguration(topics: ["t"], storage: storage))
            starts.append(clock.now - began)
            stops.append(try await clock.measure { try await martlet.shutDown() })
        }
        let (start, stop) = (starts.sorted()[Self.rounds / 2], stops.sorted()[Self.rounds / 2])
        print("\(storage): start \(start), stop \(stop) (medians of \(Self.rounds))")
        #expect(start < .milliseconds(50))
        #expect(stop < .milliseconds(50))
    }

    @Test("threads and files are given back")
    func givesBack() async throws {
        // What the process keeps for good is made by the first one.
        try await withMartlet { _ in }
        let before = (Self.entries(of: "/proc/self/task"), Self.entries(of: "/proc/self/fd"))
        for _ in 0..<Self.rounds {
            try await withMartlet(MartletConfiguration(topics: ["t"])) { martlet in
                try await martlet.produce("x")
                try await martlet.kill()
                try await martlet.start()
            }
        }
        // The client's own connections close a moment after it said so.
        let after = (Self.entries(of: "/proc/self/task"), Self.entries(of: "/proc/self/fd"))
        print("threads \(before.0) -> \(after.0), files \(before.1) -> \(after.1)")
        #expect(after.0 <= before.0 + Self.slack)
        #expect(after.1 <= before.1 + Self.slack)
    }

    /// Threads and files that the process may have made for itself meanwhile: far fewer than rounds.
    private static let slack = 20

    private static func entries(of path: String) -> Int {
        guard let directory = opendir(path) else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return count
    }
}

// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// What the command line says.
struct Options: Sendable {
    /// The `martlet` to run.
    var martlet = "martlet"
    /// How long there is traffic; nil: until Ctrl-C.
    var seconds: Int?
    /// Repeats the choices of traffic and killer.
    var seed = UInt64.random(in: 0..<1_000_000)
    /// How often a replica is killed; nil: never.
    var killEvery: Duration?
    /// Throw events in that nobody can handle.
    var throwsPoison = false
    /// Requests a second, about.
    var rate = 60
    /// How many replicas each service has.
    var replicas = 3

    static let usage = """
        usage: demo [--martlet PATH] [--seconds N] [--seed N] [--kill [SECONDS]] [--poison] [--rate N] [--replicas N]

          --martlet PATH     the broker to run (default: martlet)
          --seconds N        end after N seconds of traffic, and verify (default: go on until Ctrl-C, and verify)
          --seed N           repeat the choices of a run
          --kill [SECONDS]   kill -9 a replica every SECONDS (5), and start it again
          --poison           throw events in that cannot be handled
          --rate N           about so many requests a second (60)
          --replicas N       of each service (3)
        """

    struct Invalid: Error, CustomStringConvertible {
        var description: String
    }

    init(_ arguments: some Collection<String>) throws {
        var arguments = Array(arguments)[...]
        func number(_ name: String, _ range: ClosedRange<Int>) throws -> Int {
            guard let text = arguments.popFirst(), let number = Int(text), range.contains(number) else {
                throw Invalid(description: "\(name) takes a number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
        while let argument = arguments.popFirst() {
            switch argument {
            case "--martlet":
                guard let path = arguments.popFirst() else { throw Invalid(description: "--martlet takes a path") }
                self.martlet = path
            case "--seconds": self.seconds = try number(argument, 1...86_400)
            case "--seed": self.seed = UInt64(try number(argument, 0...Int.max))
            case "--kill":
                let hasNumber = arguments.first.map { Int($0) != nil } ?? false
                self.killEvery = .seconds(hasNumber ? try number(argument, 1...3600) : 5)
            case "--poison": self.throwsPoison = true
            case "--rate": self.rate = try number(argument, 1...10_000)
            case "--replicas": self.replicas = try number(argument, 1...20)
            default: throw Invalid(description: "unknown argument \(argument)")
            }
        }
    }
}

/// Random numbers that a seed repeats.
struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    // SplitMix64.
    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var word = self.state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}

// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import KafkaClient

/// The invariants of `SenderMachine`, with everything going wrong that can.
@Suite struct SenderMachineModelTests {
    typealias Model = SenderMachineModel

    private static let seeds: Range<UInt64> = 0..<20
    private static let steps = 1_500

    private static func settings(_ change: (inout SenderMachine<Model.Token>.Settings) -> Void)
        -> SenderMachine<Model.Token>.Settings
    {
        var settings = SenderMachine<Model.Token>.Settings()
        settings.deliveryTimeoutMs = 4_000
        settings.requestBytesMax = 1_000
        settings.retry.firstDelay = .milliseconds(20)
        settings.retry.delayMax = .milliseconds(200)
        change(&settings)
        return settings
    }

    private static func violations(
        _ settings: SenderMachine<Model.Token>.Settings, seed: UInt64, keepsOrder: Bool, losesTails: Bool = false
    ) -> (violations: [String], model: Model) {
        var model = Model(settings, partitions: 4, seed: seed)
        model.losesTails = losesTails
        for _ in 0..<Self.steps { model.step() }
        let violations = model.finish(keepsOrder: keepsOrder)
        return (violations, model)
    }

    @Test("with idempotence: in order, nothing twice, nothing acknowledged that is not there")
    func idempotent() {
        var (written, failed, doubtful) = (0, 0, 0)
        for seed in Self.seeds {
            let (violations, model) = Self.violations(Self.settings { _ in }, seed: seed, keepsOrder: true)
            #expect(violations.isEmpty, "seed \(seed): \(violations.prefix(3))")
            for report in model.reports.values {
                switch report {
                case .written: written += 1
                case .failed(mayBeWritten: true): doubtful += 1
                case .failed: failed += 1
                }
            }
        }
        // The model is of use only when all of this happens.
        #expect(written > 1_000 && failed > 100 && doubtful > 100, "\(written) \(failed) \(doubtful)")
    }

    @Test(
        "brokers that lose what was written last make it write nothing twice and nothing out of order", arguments: 0..<4
    )
    func lostTails(part: UInt64) {
        var (written, failed, doubtful, lost) = (0, 0, 0, 0)
        for seed in part * 20..<part * 20 + 20 {
            let (violations, model) = Self.violations(
                Self.settings { _ in }, seed: seed, keepsOrder: true, losesTails: true)
            #expect(violations.isEmpty, "seed \(seed): \(violations.prefix(3))")
            lost += model.lost.count
            for report in model.reports.values {
                switch report {
                case .written: written += 1
                case .failed(mayBeWritten: true): doubtful += 1
                case .failed: failed += 1
                }
            }
        }
        #expect(
            written > 1_000 && failed > 100 && doubtful > 100 && lost > 500, "\(written) \(failed) \(doubtful) \(lost)")
    }

    @Test("without idempotence nothing is there twice, and with one request in flight the order is kept")
    func plain() {
        for seed in Self.seeds {
            let settings = Self.settings {
                $0.isIdempotent = false
                $0.inFlightMax = seed.isMultiple(of: 2) ? 1 : 5
            }
            let (violations, _) = Self.violations(settings, seed: seed, keepsOrder: settings.inFlightMax == 1)
            #expect(violations.isEmpty, "seed \(seed): \(violations.prefix(3))")
        }
    }
}

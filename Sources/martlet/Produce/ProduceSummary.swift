// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What `martlet produce` has done.
struct ProduceSummary: Sendable, Equatable {
    var topic: String
    var records: Int64 = 0
    var batches: Int64 = 0
    /// Of the batches as they travelled.
    var bytes: Int64 = 0
    /// The brokers have confirmed them, as they do unless `--acks 0` tells them not to.
    var isConfirmed = true

    /// `3 records written to orders: 214 B in 1 batch, 12ms`.
    func line(took: Duration) -> String {
        let verb = self.isConfirmed ? "written" : "sent, unconfirmed,"
        let records = self.records == 1 ? "1 record" : "\(self.records) records"
        var line = "\(records) \(verb) to \(self.topic): \(Quantity.bytes(self.bytes)) in"
        line += " \(self.batches == 1 ? "1 batch" : "\(self.batches) batches"), \(took.shortText)"
        // Of what is over at once a rate says nothing.
        guard took >= .seconds(1) else { return line }
        return line + " (\(Quantity.short(Double(self.records) / took.seconds)) records/s)"
    }
}

/// Writing stopped in the middle.
struct ProduceFailure: CommandLineFailure {
    var cause: any CommandLineFailure
    /// What was not written, in words: where it stood in the input. Nil when the cause says so.
    var lost: String?
    var writtenBefore: Int64

    func report() -> FailureReport {
        var report = self.cause.report()
        var notes: [String] = []
        if let lost = self.lost { notes.append("\(lost) not written") }
        if self.writtenBefore > 0 {
            notes.append("\(self.writtenBefore) record\(self.writtenBefore == 1 ? " was" : "s were") written before")
        }
        if !notes.isEmpty { report.message += " (\(notes.joined(separator: "; ")))" }
        return report
    }
}

// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How bad a finding is.
public enum VerificationSeverity: String, Sendable, Hashable, Comparable, CaseIterable {
    /// Nothing is wrong; an operator may want to know.
    case note
    /// Nothing that was acknowledged is lost: the broker cuts it off, rebuilds it or does without it.
    case warning
    /// Records, or what is needed to serve them, are damaged or missing.
    case error

    /// A note is less than a warning, and that less than an error.
    public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// Something that a verification found in a data directory.
public struct VerificationFinding: Sendable, Hashable {
    /// How bad it is.
    public var severity: VerificationSeverity
    /// The file or directory, relative to the data directory.
    public var file: String
    /// The byte of the file at which it begins; nil when it is about the file as a whole.
    public var position: Int64?
    /// The first offset that is concerned; nil when none is.
    public var startOffset: Int64?
    /// The offset after the last one that is concerned; nil when none is, or that is not known.
    public var endOffset: Int64?
    /// What is wrong.
    public var what: String
    /// What the broker does about it, and what an operator can do.
    public var advice: String
}

/// What a verification went over.
public struct VerificationSummary: Sendable, Hashable {
    /// A broker has the data directory open: what it is writing at the moment may look torn.
    public var isInUse = false
    /// The marker of a clean shutdown is there.
    public var wasCleanShutdown = false
    /// Directories of partitions.
    public var partitions = 0
    /// Segment files.
    public var segments = 0
    /// Good batches.
    public var batches = 0
    /// Records in them.
    public var records = 0
    /// Bytes of segment files.
    public var bytes: Int64 = 0
    /// Findings that are errors.
    public var errors = 0
    /// Findings that are warnings.
    public var warnings = 0
    /// Findings that are notes.
    public var notes = 0

    /// Nothing but notes and warnings.
    public var isSound: Bool { self.errors == 0 }

    mutating func count(_ severity: VerificationSeverity) {
        switch severity {
        case .error: self.errors += 1
        case .warning: self.warnings += 1
        case .note: self.notes += 1
        }
    }
}

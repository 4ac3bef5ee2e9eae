// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What to think of this machine as the place of a broker. Without IO.
enum HostJudgement {
    /// A connection and a segment take a file each: fewer, and a small service already runs out of them.
    static let openFilesWanted: Int64 = 10_000
    static let openFilesMin: Int64 = 256
    /// Bytes: with less than this the broker is not tested.
    static let memoryMin: Int64 = 64 << 20
    /// Time-outs and retention go by the clock: a second is much.
    static let clockErrorMax: Int64 = 1_000_000
    /// `log.dir.min.free.bytes` unless it is set: a twentieth of the file system, within these bounds, and at most a
    /// quarter of it.
    static let markMin: Int64 = 64 << 20
    static let markMax: Int64 = 1 << 30

    static func openFiles(_ facts: HostFacts) -> DoctorCheck {
        guard let soft = facts.openFilesSoft, let hard = facts.openFilesHard else {
            return DoctorCheck("open-files", "", .skip, "the system does not say")
        }
        let values = [("soft", soft), ("hard", hard)]
        // The broker raises its own limit as far as it may.
        let seen = hard == .max ? "no limit" : "a process may open \(hard) files"
        if hard < Self.openFilesMin {
            return DoctorCheck(
                "open-files", "", .fail, "\(seen), and Martlet takes at least \(Self.openFilesMin)",
                advice: "raise it: LimitNOFILE= of systemd, --ulimit nofile= of the container engine, ulimit -n",
                values: values)
        }
        if hard < Self.openFilesWanted {
            return DoctorCheck(
                "open-files", "", .warn, "\(seen): each connection and each segment that is read takes one",
                advice: "raise it above \(Self.openFilesWanted) where many clients or partitions are to be served",
                values: values)
        }
        return DoctorCheck("open-files", "", .ok, seen, values: values)
    }

    static func memory(_ facts: HostFacts) -> DoctorCheck {
        let limit = facts.memoryLimit.map { min($0, facts.memoryTotal ?? $0) } ?? facts.memoryTotal
        guard let limit else { return DoctorCheck("memory", "", .skip, "the system does not say") }
        let origin = facts.memoryLimit == nil ? "of the machine" : "allowed by the control group"
        let seen = "\(Quantity.bytes(limit)) \(origin)"
        let values = [("bytes", limit)]
        guard limit >= Self.memoryMin else {
            return DoctorCheck(
                "memory", "", .warn,
                "\(seen): less than the \(Quantity.bytes(Self.memoryMin)) that Martlet is tested with",
                advice: "give the container more memory", values: values)
        }
        return DoctorCheck("memory", "", .ok, seen, values: values)
    }

    static func clock(_ facts: HostFacts) -> DoctorCheck {
        guard let clock = facts.clock else {
            return DoctorCheck("clock", "", .skip, "the system does not say whether its clock is kept right")
        }
        let values = [("errorMaxMicroseconds", clock.errorMaxMicroseconds)]
        let bound =
            "by the kernel's estimate at most \(Duration.microseconds(clock.errorMaxMicroseconds).shortText) off"
        if !clock.isSynchronized {
            return DoctorCheck(
                "clock", "", .warn, "nothing keeps the clock of this machine right",
                advice: "run chrony or systemd-timesyncd: retention and time-outs go by the broker's clock, timestamps"
                    + " by the producers'", values: values)
        }
        guard clock.errorMaxMicroseconds <= Self.clockErrorMax else {
            return DoctorCheck(
                "clock", "", .warn, "synchronized, but \(bound)", advice: "see whether the time servers can be reached",
                values: values)
        }
        return DoctorCheck("clock", "", .ok, "synchronized, \(bound)", values: values)
    }

    /// The bytes that have to stay free. `configured` is `log.dir.min.free.bytes`, negative or nil when not set.
    static func freeMark(configured: Int64?, total: Int64) -> Int64 {
        if let configured, configured >= 0 { return configured }
        return min(max(total / 20, Self.markMin), Self.markMax, total / 4)
    }

    static func freeSpace(directory: String, total: Int64, usable: Int64, configuredMark: Int64?) -> DoctorCheck {
        let mark = self.freeMark(configured: configuredMark, total: total)
        let values = [("usableBytes", usable), ("totalBytes", total), ("minFreeBytes", mark)]
        let seen =
            "\(Quantity.bytes(usable)) free of \(Quantity.bytes(total)), log.dir.min.free.bytes is"
            + " \(Quantity.bytes(mark))"
        let advice = "delete topics or records, lower retention, enlarge the volume or lower log.dir.min.free.bytes"
        if usable < mark {
            return DoctorCheck(
                "free-space", directory, .fail, "\(seen): Produce is refused", advice: advice, values: values)
        }
        if usable / 2 < mark {
            return DoctorCheck("free-space", directory, .warn, "\(seen): nearly full", advice: advice, values: values)
        }
        return DoctorCheck("free-space", directory, .ok, seen, values: values)
    }

    static func fileSystem(directory: String, type: String?) -> DoctorCheck {
        guard let type else { return DoctorCheck("file-system", directory, .skip, "the system does not say") }
        switch type {
        case "tmpfs", "ramfs":
            return DoctorCheck(
                "file-system", directory, .warn, "\(type): the data is in memory, and gone with the machine",
                advice: "put log.dirs on a disk, unless that is meant")
        case "overlay", "aufs":
            return DoctorCheck(
                "file-system", directory, .warn, "\(type): the data is in the container's own layer, and gone with it",
                advice: "mount a volume there")
        case _ where type.hasPrefix("nfs") || type.hasPrefix("fuse") || type == "9p" || type == "cifs":
            return DoctorCheck(
                "file-system", directory, .warn, "\(type): whether fsync does there what it says is up to a server",
                advice: "use a local disk or a block volume")
        default:
            return DoctorCheck("file-system", directory, .ok, type)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What the control group of this process allows it, as containers are limited by; both versions of the interface.
///
/// `/proc/self/mountinfo` says where the files are and `/proc/self/cgroup` which of them are ours. Limits of the groups
/// above count, too, as far as they can be seen: inside a container that is often one level.
struct ControlGroup: Equatable {
    /// Bytes; nil for no limit.
    var memoryBytes: Int?
    /// Processor seconds per second, such as 0.25; nil for no limit.
    var processors: Double?
    /// Bytes that this group uses now, page cache among them.
    var memoryUsedBytes: Int?
    /// Seconds for which this group was held back by its limit of processors, so far; only version 2 tells.
    var throttledSeconds: Double?

    /// Without limits.
    init(memoryBytes: Int? = nil, processors: Double? = nil) {
        self.memoryBytes = memoryBytes
        self.processors = processors
    }

    /// Asks the files.
    ///
    /// - Parameter read: the text of a file; nil if there is none, or it cannot be read.
    init(read: (String) -> String?) {
        let groups = Self.groups(read("/proc/self/cgroup") ?? "")
        for mount in Self.mounts(read("/proc/self/mountinfo") ?? "") {
            for controller in mount.controllers {
                guard let group = groups[controller] else { continue }
                for folder in mount.folders(of: group) {
                    self.narrow(controller, folder, read)
                }
            }
        }
    }

    /// Takes the limits of one group into account.
    private mutating func narrow(_ controller: String, _ folder: String, _ read: (String) -> String?) {
        func number(_ file: String) -> Int? {
            read("\(folder)/\(file)").flatMap { Int($0.filter { !$0.isWhitespace }) }
        }
        switch controller {
        case Self.unified:
            self.limitMemory(number("memory.max"))
            // Past this the process is slowed down until it has next to no page cache.
            self.limitMemory(number("memory.high"))
            let parts = (read("\(folder)/cpu.max") ?? "").split(whereSeparator: \.isWhitespace).map { Int($0) }
            if parts.count == 2 { self.limitProcessors(quota: parts[0], period: parts[1]) }
            // Of the groups from the top down to ours the last one counts.
            if let used = number("memory.current") { self.memoryUsedBytes = used }
            if let seconds = read("\(folder)/cpu.stat").flatMap(Self.throttledSeconds) {
                self.throttledSeconds = seconds
            }
        case "memory":
            self.limitMemory(number("memory.limit_in_bytes"))
            if let used = number("memory.usage_in_bytes") { self.memoryUsedBytes = used }
        case "cpu":
            self.limitProcessors(quota: number("cpu.cfs_quota_us"), period: number("cpu.cfs_period_us"))
        default:
            break
        }
    }

    private static func throttledSeconds(_ statistics: String) -> Double? {
        let name = "throttled_usec "
        let line = statistics.split(separator: "\n").first { $0.hasPrefix(name) }
        return line.flatMap { Double($0.dropFirst(name.count)) }.map { $0 / 1e6 }
    }

    private mutating func limitMemory(_ bytes: Int?) {
        guard let bytes, bytes > 0, bytes < Self.noLimit else { return }
        self.memoryBytes = min(self.memoryBytes ?? bytes, bytes)
    }

    private mutating func limitProcessors(quota: Int?, period: Int?) {
        guard let quota, let period, quota > 0, period > 0 else { return }
        let processors = Double(quota) / Double(period)
        self.processors = min(self.processors ?? processors, processors)
    }
}

extension ControlGroup {
    /// Bytes: version 1 writes the largest number of whole pages where there is no limit.
    private static let noLimit = 1 << 60
    /// Stands for version 2, which has one hierarchy for all controllers.
    private static let unified = ""

    /// Our group for each controller: lines of `number:controllers:path`.
    private static func groups(_ text: String) -> [String: String] {
        var groups: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            for controller in fields[1].split(separator: ",", omittingEmptySubsequences: false) {
                groups[String(controller)] = String(fields[2])
            }
        }
        return groups
    }

    /// A mounted hierarchy.
    private struct Mount {
        let controllers: [String]
        /// Where it is mounted.
        let point: String
        /// The group that is seen there: not the top in a container that was not given a name space of its own.
        let root: String

        /// The folders of a group and of those above it, as far as they can be seen; the top one is always tried, for
        /// groups whose path is that of another name space.
        func folders(of group: String) -> [String] {
            let isBelow = self.root == "/" || group == self.root || group.hasPrefix(self.root + "/")
            let path = self.root == "/" ? group[...] : isBelow ? group.dropFirst(self.root.count) : ""
            var folders = [self.point]
            for name in path.split(separator: "/") where name != ".." {
                folders.append("\(folders[folders.count - 1])/\(name)")
            }
            return folders
        }
    }

    /// The hierarchies: lines of `id parent device root point options… - type source options`.
    private static func mounts(_ text: String) -> [Mount] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 5, fields.count > dash + 3 else { return nil }
            let controllers: [String]
            switch fields[dash + 1] {
            case "cgroup2": controllers = [Self.unified]
            case "cgroup": controllers = fields[dash + 3].split(separator: ",").map(String.init)
            default: return nil
            }
            return Mount(controllers: controllers, point: String(fields[4]), root: String(fields[3]))
        }
    }
}

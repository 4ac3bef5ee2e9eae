// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import CommitLog

/// What `martlet doctor` looks at on this machine.
struct LocalChecks {
    /// What brokers said, so that the two sides can be compared.
    struct BrokerSide: Sendable {
        var clusterID: String?
        /// `log.dir.min.free.bytes`.
        var minFreeBytes: Int64?
    }

    let fileSystem: any FileSystem
    let facts: HostFacts
    let broker: BrokerSide

    /// The machine as such.
    var machine: [DoctorCheck] {
        [HostJudgement.clock(self.facts), HostJudgement.openFiles(self.facts), HostJudgement.memory(self.facts)]
    }

    /// The data directory. Writes to it, for some seconds at most, unless `writes` is false.
    func directory(_ path: String, writes: Bool) -> [DoctorCheck] {
        let status: FileStatus?
        do {
            status = try self.fileSystem.status(path)
        } catch {
            return [
                DoctorCheck(
                    "data-dir", path, .fail, "\(error)", advice: "run this as the user that the broker runs as")
            ]
        }
        guard let status, status.isDirectory else {
            return [
                DoctorCheck(
                    "data-dir", path, .fail, status == nil ? "it does not exist" : "it is no directory",
                    advice: "give log.dirs of the broker with --data-dir")
            ]
        }
        var checks = [self.identity(path)]
        let type = HostFacts.fileSystemType(of: path, mounts: self.facts.mounts)
        checks.append(HostJudgement.fileSystem(directory: path, type: path.hasPrefix("/") ? type : nil))
        guard let space = DiskSpace(path: path) else {
            return checks + [DoctorCheck("free-space", path, .fail, "the system does not say how much is free")]
        }
        let mark = HostJudgement.freeMark(configured: self.broker.minFreeBytes, total: space.total)
        checks.append(
            HostJudgement.freeSpace(
                directory: path, total: space.total, usable: space.usable, configuredMark: self.broker.minFreeBytes))
        guard writes else {
            return checks + [DoctorCheck("disk", path, .skip, "not measured, because of --no-write")]
        }
        checks.append(self.disk(path, room: space.usable - mark))
        return checks
    }

    /// Whose data it is, by its meta.properties.
    private func identity(_ path: String) -> DoctorCheck {
        do {
            guard let properties = try MetaProperties.read(in: path, from: self.fileSystem) else {
                return DoctorCheck("data-dir", path, .ok, "no broker has used it yet")
            }
            let seen = "cluster \(properties.clusterID), node \(properties.nodeID)"
            if let expected = self.broker.clusterID, expected != properties.clusterID {
                return DoctorCheck(
                    "data-dir", path, .fail, "\(seen), and the broker that answers is of cluster \(expected)",
                    advice: "one of -b and --data-dir is another broker's")
            }
            return DoctorCheck("data-dir", path, .ok, seen)
        } catch {
            return DoctorCheck(
                "data-dir", path, .fail, "\(error)", advice: "`martlet log verify \(path)` tells what else is wrong")
        }
    }

    private func disk(_ path: String, room: Int64) -> DoctorCheck {
        // Less than this it takes in any case.
        let roomMin = Int64(DiskProbe.appendsMax * DiskProbe.appendBytes)
        guard room > roomMin else {
            return DoctorCheck("disk", path, .skip, "not measured: there is no room above log.dir.min.free.bytes")
        }
        let total = roomMin + DiskProbe.sequentialBytesMax
        let progress = ProgressBar("disk", unit: .bytes, total: total)
        defer { progress.clear() }
        let probe = DiskProbe(
            fileSystem: self.fileSystem, directory: path, now: { ProcessEnvironment.monotonicNanoseconds() },
            progress: progress)
        do {
            return DiskProbe.check(try probe.run(room: room), directory: path)
        } catch {
            return DoctorCheck(
                "disk", path, .fail, "\(error)",
                advice: "run this as the user that the broker runs as; it has to be able to write there")
        }
    }
}

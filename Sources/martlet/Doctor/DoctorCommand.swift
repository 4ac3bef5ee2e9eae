// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import CommitLog
import KafkaClient

/// `martlet doctor`.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Find out what is wrong between here, the brokers and their disks.",
        discussion: """
            Over the protocol: whether each address of -b answers, and each address that clients are sent on to from \
            there: its name, a connection, whether it is the broker and the cluster that it should be, the round trip; \
            whether there is a controller, and a leader for every partition. -b with an address of each listener looks \
            at all listeners.

            On this machine: the clock, open files, memory. And the broker's data directory, when it is here or \
            --data-dir names it: whose it is, the kind of file system, free space, and the speed of the disk: 200 \
            appends of 4 KiB with fdatasync and at most 64 MiB in one piece, in a file that is removed afterwards.

            Each check is ok, warn, fail or skip, and says what to do next; the exit code is 1 when one failed. The \
            clock of a broker cannot be seen from elsewhere without writing: run this on its machine, too.

            EXAMPLES
              martlet doctor
              martlet doctor -b broker-0:9092,broker-0.example.com:9094
              martlet doctor --local --data-dir /var/lib/martlet -o json
            """
    )

    /// For each address; `--timeout` sets another.
    static let defaultTimeout = Duration.seconds(5)

    @Option(
        name: .long, help: ArgumentHelp("The data directory of a broker on this machine.", valueName: "dir"),
        completion: .directory)
    var dataDir: String?

    @Flag(name: .long, help: "Look at this machine only, and ask no broker.")
    var local = false

    @Flag(name: .long, help: "Write nothing: the speed of the disk is not measured.")
    var noWrite = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        var findings = ClusterChecks.Findings()
        if !self.local {
            let timeout = self.connection.givenTimeout.map { Duration.seconds($0) } ?? Self.defaultTimeout
            let target = try self.connection.target()
            findings = await ClusterChecks(
                addresses: target.addresses, security: target.security, timeout: timeout
            ).run()
        }
        let fileSystem = POSIXFileSystem()
        let directory = self.dataDir ?? Self.directory(of: findings, fileSystem)
        let minFree = findings.configs.values.compactMap { $0["log.dir.min.free.bytes"].flatMap { Int64($0) } }.first
        let checks = LocalChecks(
            fileSystem: fileSystem, facts: HostFacts.read(),
            broker: .init(clusterID: findings.clusterID, minFreeBytes: minFree))
        var report = DoctorReport(checks: findings.checks + checks.machine)
        if let directory {
            report.checks += checks.directory(directory, writes: !self.noWrite)
        } else {
            report.checks.append(
                DoctorCheck(
                    "data-dir", "", .skip, "no broker that answers has its data here, or it does not say where",
                    advice: "on the broker's machine --data-dir looks at its disk"))
        }
        try self.format.print(lines: { report.lines($0) }, json: report.write)
        if !report.isSound { try ExitStatus.failure.leave() }
    }

    /// The data directory that a broker names and that is here, of the same cluster.
    private static func directory(of findings: ClusterChecks.Findings, _ fileSystem: any FileSystem) -> String? {
        for configs in findings.configs.sorted(by: { $0.key < $1.key }).map(\.value) {
            for name in ["log.dirs", "log.dir"] {
                for path in (configs[name] ?? "").split(separator: ",").map(String.init) {
                    guard let properties = try? MetaProperties.read(in: path, from: fileSystem) else { continue }
                    if properties.clusterID == findings.clusterID { return path }
                }
            }
        }
        return nil
    }
}

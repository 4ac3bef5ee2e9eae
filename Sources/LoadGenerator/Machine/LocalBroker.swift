// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient

/// Finds the processes of this machine that listen where brokers are said to be.
enum LocalBroker {
    /// Processes that are looked at: there is no need to search a machine for long.
    private static let processesMax = 20_000

    /// The processes that listen at these addresses. Empty where the system does not tell, where they belong to others,
    /// and for brokers elsewhere.
    static func processes(at addresses: [BrokerAddress]) -> [Int32] {
        let ports = Set(addresses.filter { Self.isLocal($0.host) }.map(\.port))
        guard !ports.isEmpty else { return [] }
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].compactMap { MachineUsage.text($0) }
        let sockets = Set(tables.flatMap { Self.listeners($0, ports: ports) }.map { "socket:[\($0)]" })
        guard !sockets.isEmpty else { return [] }
        let files = FileManager.default
        let own = ProcessInfo.processInfo.processIdentifier
        let processes = ((try? files.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap(Int32.init)
        return processes.prefix(Self.processesMax).filter { process in
            guard process != own else { return false }
            let folder = "/proc/\(process)/fd"
            return ((try? files.contentsOfDirectory(atPath: folder)) ?? []).contains { name in
                (try? files.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")).map(sockets.contains) ?? false
            }
        }
    }

    private static func isLocal(_ host: String) -> Bool {
        host == "localhost" || host.hasPrefix("127.") || host == "::1" || host == ProcessInfo.processInfo.hostName
    }

    /// The inodes of sockets that listen at these ports, from the text of /proc/net/tcp: the second field is the
    /// address with its port in hexadecimal, the fourth the state, the tenth the inode.
    static func listeners(_ table: String, ports: Set<Int>) -> [Substring] {
        let listening = "0A"
        return table.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[3] == listening, let port = fields[1].split(separator: ":").last,
                let number = Int(port, radix: 16), ports.contains(number)
            else { return nil }
            return fields[9]
        }
    }
}

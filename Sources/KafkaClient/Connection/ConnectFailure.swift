// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Says in one sentence why a connection could not be made.
enum ConnectFailure {
    static func describe(_ error: any Error, address: BrokerAddress) -> KafkaClientError {
        // What the handlers of the channel could not do is described already.
        if let error = error as? KafkaClientError { return error }
        return KafkaClientError(.connectionFailed, "cannot connect to \(address): \(self.reason(error))", cause: error)
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            // A name stands for several addresses: the reason of the last one that was tried is the one to show.
            if let last = error.connectionErrors.last { return self.reason(last.error) }
            return "the name cannot be resolved"
        case let error as IOError:
            return self.reason(errno: error.errnoCode)
        case ChannelError.connectTimeout(let timeout):
            return "no answer within \(timeout.inSeconds)"
        default:
            return "\(error)"
        }
    }

    private static func reason(errno code: CInt) -> String {
        switch code {
        case ECONNREFUSED: "connection refused; nothing listens there"
        case EHOSTUNREACH, ENETUNREACH: "there is no route to it"
        case ETIMEDOUT: "it does not answer"
        default: String(cString: strerror(code))
        }
    }
}

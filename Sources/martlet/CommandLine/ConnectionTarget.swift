// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

/// Which cluster a command talks to, how, and who said so.
struct ConnectionTarget: Sendable {
    /// Where the addresses come from.
    enum Origin: Sendable, Equatable {
        case option
        case environment
        case context(String)
        case fallback

        /// For hints; nil for what can be read on the command line.
        var text: String? {
            switch self {
            case .option: nil
            case .environment: "the address is that of $\(ConnectionOptions.environmentVariable)"
            case .context(let name): "the address is that of the context \(name)"
            case .fallback: "the address is the default: no --bootstrap, no context"
            }
        }
    }

    /// The environment variable that stands in for `--context`.
    static let contextVariable = "MARTLET_CONTEXT"

    var addresses: [BrokerAddress]
    var origin: Origin
    var security: KafkaSecurity
    /// The context that had a part in it.
    var context: String?

    /// The addresses are from the first of: `--bootstrap`, the context of `--context`, $MARTLET_BOOTSTRAP, the context of
    /// $MARTLET_CONTEXT, the current context, localhost:9092.
    ///
    /// TLS and login are what options and environment say, and for the rest what the context says, if it was named. The
    /// current context, which nobody named, goes only to its own addresses, for the sake of its password.
    ///
    /// Throws `CommandFailure`: for a context that does not exist, or a text that names no brokers.
    static func resolve(
        bootstrap: String?, context name: String?, options: SecuritySettings, environment: (String) -> String?,
        book: () throws -> ContextBook
    ) throws -> ConnectionTarget {
        let variable = environment(ConnectionOptions.environmentVariable)
        var context: Context?
        if let named = name ?? environment(Self.contextVariable) {
            context = try book()[named]
            guard context != nil else {
                throw CommandFailure(
                    "there is no context '\(named)'"
                        + (name == nil ? ", which $\(Self.contextVariable) names" : ""),
                    hint: "`martlet context list` shows what there is", status: .notFound)
            }
        } else if bootstrap == nil, variable == nil {
            let book = try book()
            context = book.current.flatMap { book[$0] }
        }
        let text: String
        let origin: Origin
        if let bootstrap {
            (text, origin) = (bootstrap, .option)
        } else if let context, name != nil || variable == nil {
            (text, origin) = (context.bootstrap, .context(context.name))
        } else if let variable {
            (text, origin) = (variable, .environment)
        } else {
            (text, origin) = (ConnectionOptions.defaultBootstrap, .fallback)
        }
        guard let addresses = BrokerAddress.list(text) else {
            throw CommandFailure(
                "'\(text)' names no brokers: it takes host:port, or several separated by commas", hint: origin.text,
                status: .usage)
        }
        let settings = options.over(SecurityOptions.settings(of: environment))
            .over(context?.security ?? SecuritySettings())
        return ConnectionTarget(
            addresses: addresses, origin: origin, security: try settings.security(environment: environment),
            context: context?.name)
    }
}

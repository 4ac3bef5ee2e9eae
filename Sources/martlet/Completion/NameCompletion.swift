// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// What a shell offers where a name is expected: asked from the cluster that the command line names so far. Quick, and
/// silent when there is nothing to be found out: somebody is in the middle of typing.
enum NameCompletion {
    enum Kind: Sendable {
        case topic
        case group
        /// By its number.
        case broker
    }

    /// How long the cluster may take, in seconds: longer, and the shell would seem to hang.
    static let timeoutSeconds = 1.0

    /// `words` are those of the command line, the first is the name of the program.
    static func candidates(_ kind: Kind, words: [String], prefix: String) async -> [String] {
        let names: [String]
        switch kind {
        case .topic:
            names = await Self.ask(words) {
                try await $0.listTopics(includesInternal: prefix.hasPrefix("_")).map(\.name)
            }
        case .group:
            names = await Self.ask(words) { try await $0.listGroups().map(\.groupID) }
        case .broker:
            names = await Self.ask(words) { try await $0.describeCluster().brokers.map { "\($0.nodeID)" } }
        }
        return names.filter { $0.hasPrefix(prefix) }
    }

    private static func ask(
        _ words: [String], _ question: @escaping @Sendable (KafkaCluster) async throws -> [String]
    ) async -> [String] {
        guard var options = try? ConnectionOptions.parse(Self.connectionArguments(words)) else { return [] }
        options.givenTimeout = Self.timeoutSeconds
        return (try? await options.ask(question)) ?? []
    }

    /// The options that say which cluster is meant, out of all words. Linear.
    static func connectionArguments(_ words: [String]) -> [String] {
        let withValue: Set<String> = [
            "-b", "--bootstrap", "--bootstrap-server", "--context", "--tls-ca", "--tls-cert", "--tls-key",
            "--tls-server-name", "--sasl", "--user", "--password-file",
        ]
        var found: [String] = []
        var rest = words.dropFirst()[...]
        while let word = rest.popFirst() {
            if word == "--" { break }
            if word == "--tls" || withValue.contains(where: { word.hasPrefix($0 + "=") }) {
                found.append(word)
            } else if withValue.contains(word), let value = rest.popFirst() {
                found += [word, value]
            }
        }
        return found
    }
}

extension CompletionKind {
    /// Names of contexts.
    static var contextNames: CompletionKind {
        .custom { _, _, prefix in
            // Not `savedContexts`, which may have something to say.
            let names = (try? ContextFile()?.load())?.contexts.map(\.name) ?? []
            return names.filter { $0.hasPrefix(prefix) }
        }
    }

    /// Names of what there is in the cluster.
    static func names(of kind: NameCompletion.Kind) -> CompletionKind {
        .custom { words, _, prefix in
            await NameCompletion.candidates(kind, words: words, prefix: prefix)
        }
    }
}

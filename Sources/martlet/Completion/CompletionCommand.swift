// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

/// `martlet completion`.
struct CompletionCommand: AsyncParsableCommand {
    /// A shell that completes `martlet`.
    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash
        case zsh
        case fish
    }

    static let configuration = CommandConfiguration(
        commandName: "completion",
        abstract: "Print what makes a shell complete commands, options, topics and groups.",
        discussion: """
            Names of topics and groups come from the cluster that the command line names, or the current context; when \
            it does not answer within a second there are none.

            EXAMPLES
              bash:  source <(martlet completion bash)
                     martlet completion bash > ~/.local/share/bash-completion/completions/martlet
              zsh:   martlet completion zsh > "${fpath[1]}/_martlet"
              fish:  martlet completion fish > ~/.config/fish/completions/martlet.fish
            """
    )

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() async throws {
        var output = StandardOutput()
        let shell: CompletionShell =
            switch self.shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        output.print(Martlet.completionScript(for: shell))
        try output.flush()
    }
}

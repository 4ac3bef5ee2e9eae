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
        output.print(Self.script(for: self.shell))
        try output.flush()
    }

    /// What the shell is to run.
    static func script(for shell: Shell) -> String {
        switch shell {
        case .bash: Martlet.completionScript(for: .bash)
        case .zsh: Martlet.completionScript(for: .zsh)
        case .fish: FishCompletion.script
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    /// Loads what `martlet completion` prints into the real shells and asks them what they would offer on TAB.
    @Suite("martlet completion") struct CompletionTests {
        @Test(
            "a shell completes commands, options, and what there is in the cluster; silently without a cluster",
            arguments: CompletingShell.installed)
        func completion(shell: CompletingShell) async throws {
            try await withBroker { broker in
                try await broker.command("topic", "create", "orders", "refunds")
                try await broker.command(
                    "group", "reset-offsets", "payments", "--topic", "orders", "--to-earliest", "--execute")
                let files = broker.folder.appendingPathComponent("files")
                try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
                try Data().write(to: files.appendingPathComponent("day.jsonl"))
                let session = try await CompletionSession(shell, broker, in: files)
                for (line, expected) in Self.cases {
                    var found: [String] = []
                    // The cluster has a second to answer, which may not be enough on a machine that is busy.
                    for _ in 1...Self.attemptsMax {
                        found = try await session.complete(line).sorted()
                        if found == expected.sorted() { break }
                    }
                    #expect(found == expected.sorted(), "\(shell): '\(line)'")
                }
            }
        }

        private static let attemptsMax = 3

        /// Lines up to the cursor, and what is offered there.
        private static let cases: [(line: String, expected: [String])] = [
            ("martlet topic ", ["alter", "create", "delete", "describe", "list"]),
            ("martlet topic de", ["delete", "describe"]),
            ("martlet topic list --out", ["--output"]),
            ("martlet topic list -o ", ["table", "json", "wide"]),
            ("martlet consume orders --isolation read_c", ["read_committed"]),
            ("martlet produce orders da", ["day.jsonl"]),
            ("martlet topic describe ", ["orders", "refunds"]),
            ("martlet topic describe o", ["orders"]),
            ("martlet topic delete orders r", ["refunds"]),
            ("martlet group describe pay", ["payments"]),
            ("martlet config list --topic re", ["refunds"]),
            ("martlet cluster apis --broker ", ["1"]),
            ("martlet topic describe -b 127.0.0.1:1 o", []),
        ]

        @Test("a shell that is not known is refused")
        func unknownShell() async throws {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let run = try await CommandRun.of(["completion", "tcsh"], folder: folder)
            #expect(run.status == 64 && run.errors.contains("bash, zsh"), "\(run)")
        }
    }
}

/// A shell that completes `martlet`.
enum CompletingShell: String, CaseIterable, Sendable {
    case bash
    case zsh
    case fish

    /// Those that are here. Says which are not, once, so that nobody takes a skipped test for a passed one.
    static let installed: [CompletingShell] = Self.allCases.filter { shell in
        if (try? Programs.found(shell.rawValue)) != nil { return true }
        print("the completion for \(shell) is not tested: there is no \(shell) here; `make test` installs it on Debian")
        return false
    }
}

/// A shell with the completion loaded, in a folder where nothing of the person who tests is read.
struct CompletionSession {
    private let shell: CompletingShell
    private let folder: URL
    private let workingFolder: URL
    private let environment: [String: String]
    private let script: URL

    /// Completes as `shell` does in `workingFolder`, against a broker.
    init(_ shell: CompletingShell, _ broker: BrokerUnderTest, in workingFolder: URL) async throws {
        self.shell = shell
        self.folder = broker.folder
        self.workingFolder = workingFolder
        // Shells complete commands by their names.
        let programs = broker.folder.appendingPathComponent("programs")
        try FileManager.default.createDirectory(at: programs, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            at: programs.appendingPathComponent("martlet"), withDestinationURL: try Programs.martlet())
        let completions = broker.folder.appendingPathComponent("completions")
        try FileManager.default.createDirectory(at: completions, withIntermediateDirectories: true)
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        self.environment = [
            "PATH": "\(programs.path):\(path)", "HOME": broker.folder.path, "TERM": "dumb",
            "XDG_CONFIG_HOME": broker.folder.appendingPathComponent("settings").path, "MARTLET_CONTEXT": "",
            "MARTLET_BOOTSTRAP": broker.bootstrap, "COMPLETIONS": completions.path,
        ]
        let completion = try await broker.command("completion", shell.rawValue)
        try Data(completion.output.utf8).write(to: completions.appendingPathComponent("_martlet"))
        self.script = broker.folder.appendingPathComponent("complete.\(shell)")
        try Data(shell.script.utf8).write(to: self.script)
    }

    /// What the shell offers for a line with the cursor at its end. Fails when anything is written to standard error.
    func complete(_ line: String) async throws -> [String] {
        let options: [String] =
            switch self.shell {
            case .bash: ["--norc"]
            case .zsh: ["-f"]
            case .fish: ["--no-config"]
            }
        let child = try ChildProcess(
            try Programs.found(self.shell.rawValue), options + [self.script.path, self.workingFolder.path, line],
            environment: self.environment, folder: self.folder)
        #expect(try await child.waitForExit(within: .seconds(60)) == .success)
        #expect(child.errorText == "")
        let found = String(decoding: child.outputData, as: UTF8.self).split(separator: "\n").map(String.init)
        // bash offers options also where nobody has begun one.
        return line.hasSuffix(" ") ? found.filter { !$0.hasPrefix("-") } : found
    }
}

extension CompletingShell {
    /// Takes the folder to be in and a line; prints what is offered, one a line. $COMPLETIONS has the completion.
    fileprivate var script: String {
        switch self {
        case .bash:
            // Calls the function that is registered, as bash would on TAB. No blank in a line is part of a word.
            #"""
            cd "$1"
            source "$COMPLETIONS/_martlet"
            COMP_LINE="$2"
            COMP_POINT=${#COMP_LINE}
            read -r -a COMP_WORDS <<< "$2"
            [[ $2 == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            function=$(complete -p martlet | sed -E 's/.*-F ([^ ]+).*/\1/')
            $function martlet "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\n' "${COMPREPLY[@]}"
            """#
        case .zsh:
            // Completion works in the line editor alone, so a second zsh has a pseudoterminal. TAB runs the whole of
            // the completion system there, and the command that adds matches to its list notes them down on its way.
            #"""
            cat > $COMPLETIONS/setup <<'SETUP'
            PS1= PS2= RPS1=
            unsetopt beep
            fpath=($COMPLETIONS $fpath)
            autoload -Uz compinit && compinit -u -d $COMPLETIONS/dump
            compadd() {
                # With one of these, matches go to an array, to be added later.
                if [[ ${@[1,(i)(-|--)]} != *-[OAD]* ]]; then
                    local -a found
                    builtin compadd -A found "$@"
                    matches+=($found)
                fi
                builtin compadd "$@"
            }
            show-matches() {
                matches=()
                _main_complete
                print -r -- "<<<${(F)matches}>>>"
                compstate[list]= compstate[insert]=
            }
            zle -C show-matches complete-word show-matches
            bindkey '^I' show-matches
            SETUP
            cd $1
            zmodload zsh/zpty
            zpty editor zsh -f -i
            zpty -w editor "source $COMPLETIONS/setup; print -r -- READ'Y'"
            zpty -r editor answer '*READY*'
            zpty -w -n editor "$2"$'\t'
            zpty -r editor answer '*>>>*'
            zpty -d editor
            print -r -- ${${${answer##*<<<}%%>>>*}//$'\r'/}
            """#
        case .fish:
            #"""
            cd $argv[1]
            source $COMPLETIONS/_martlet
            # Without the descriptions.
            for found in (complete -C $argv[2])
                string split -f 1 \t -- $found
            end
            true
            """#
        }
    }
}

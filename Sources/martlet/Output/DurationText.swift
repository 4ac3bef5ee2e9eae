// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension Duration {
    /// For people, in the two largest units that matter, and without spaces: `350ms`, `3.2s`, `5m20s`, `2h10m`, `3d4h`.
    var shortText: String {
        let (seconds, attoseconds) = self.components
        let milliseconds = attoseconds / 1_000_000_000_000_000
        switch seconds {
        case ..<0: return "-" + (Duration.zero - self).shortText
        case 0: return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
        case ..<60: return "\(seconds).\(milliseconds / 100)s"
        case ..<3600: return "\(seconds / 60)m\(seconds % 60)s"
        case ..<86_400: return "\(seconds / 3600)h\(seconds % 3600 / 60)m"
        default: return "\(seconds / 86_400)d\(seconds % 86_400 / 3600)h"
        }
    }

    /// Whole milliseconds, rounded towards zero.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}

// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import martlet

@Suite("Limits of control groups")
struct ControlGroupTests {
    private static func read(_ files: [String: String]) -> ControlGroup { ControlGroup { files[$0] } }

    @Test("version 2 in a container: the files are at the top of what is seen")
    func unified() {
        let group = Self.read([
            "/proc/self/cgroup": "0::/\n",
            "/proc/self/mountinfo": """
            612 590 0:31 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate
            613 590 0:5 / /dev rw - tmpfs tmpfs rw
            """,
            "/sys/fs/cgroup/memory.max": "67108864\n", "/sys/fs/cgroup/memory.high": "max\n",
            "/sys/fs/cgroup/cpu.max": "25000 100000\n",
        ])
        #expect(group == ControlGroup(memoryBytes: 64 << 20, processors: 0.25))
    }

    @Test("version 2 on a host: the narrowest of the groups above counts, and memory.high as well as memory.max")
    func nested() {
        let group = Self.read([
            "/proc/self/cgroup": "0::/a/b\n",
            "/proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "/sys/fs/cgroup/a/memory.max": "1000000\n", "/sys/fs/cgroup/a/b/memory.max": "2000000\n",
            "/sys/fs/cgroup/a/b/memory.high": "900000\n", "/sys/fs/cgroup/a/cpu.max": "150000 100000\n",
            "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
        ])
        #expect(group == ControlGroup(memoryBytes: 900_000, processors: 1.5))
    }

    @Test("version 1: each controller has a mount and a path of its own, some of them together")
    func separate() {
        let group = Self.read([
            "/proc/self/cgroup": "7:memory:/docker/4f1c\n4:cpu,cpuacct:/docker/4f1c\n0::/\n",
            "/proc/self/mountinfo": """
            270 264 0:32 /docker/4f1c /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory
            273 264 0:29 /docker/4f1c /sys/fs/cgroup/cpu,cpuacct ro master:9 - cgroup cgroup rw,cpu,cpuacct
            """,
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "134217728\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        ])
        #expect(group == ControlGroup(memoryBytes: 128 << 20, processors: 0.5))
    }

    @Test("a path of another name space does not hide the limit at the top of the mount")
    func otherNameSpace() {
        let group = Self.read([
            "/proc/self/cgroup": "4:memory:/kubepods/pod1/c\n",
            "/proc/self/mountinfo": "1 2 0:32 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n",
        ])
        #expect(group.memoryBytes == 256 << 20)
    }

    @Test("no limit is no limit, in the words of both versions")
    func none() {
        let first = Self.read([
            "/proc/self/cgroup": "4:memory:/\n1:cpu:/\n",
            "/proc/self/mountinfo": """
            1 2 0:32 / /m ro - cgroup cgroup rw,memory
            3 2 0:33 / /c ro - cgroup cgroup rw,cpu
            """,
            "/m/memory.limit_in_bytes": "9223372036854771712\n", "/c/cpu.cfs_quota_us": "-1\n",
            "/c/cpu.cfs_period_us": "100000\n",
        ])
        #expect(first == ControlGroup())
        let second = Self.read([
            "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": "1 2 0:31 / /g rw - cgroup2 none rw\n",
            "/g/memory.max": "max\n", "/g/cpu.max": "max 100000\n",
        ])
        #expect(second == ControlGroup())
        #expect(Self.read([:]) == ControlGroup())
    }

    @Test(
        "files that make no sense are no limits",
        arguments: ["", "x", "-", "0 0", "5 0", "99999999999999999999 1", "1 2 3"])
    func nonsense(text: String) {
        let group = Self.read([
            "/proc/self/cgroup": "0::/\nx\n::\n",
            "/proc/self/mountinfo": "1 2 0:31 / /g rw - cgroup2 none rw\n- - -\n1\n",
            "/g/memory.max": text, "/g/cpu.max": text,
        ])
        #expect(group.processors == nil)
    }
}

@Suite("Processors")
struct ProcessorTests {
    @Test(
        "a process that is tied to some processors is told how many",
        arguments: [("3", 2), ("ff,00000001", 9), ("0", nil)])
    func tied(mask: String, count: Int?) {
        #expect(MachineLimits.processorsAllowed("Name:\tx\nCpus_allowed:\t\(mask)\nCpus_allowed_list:\t0-1\n") == count)
        #expect(MachineLimits.processorsAllowed("Name:\tx\n") == nil)
    }
}

@Suite("Sizes by what the process may use")
struct SizingTests {
    @Test("a small container gets small buffers, few threads, and files left for logs")
    func small() {
        let sizing = Sizing(MachineLimits(memoryBytes: 64 << 20, processors: 0.25, openFiles: 256))
        #expect(
            sizing.configs == [
                "num.network.threads": "1", "num.io.threads": "1", "max.connections": "128",
                "socket.request.max.bytes": "8388608", "queued.max.request.bytes": "8388608",
                "log.cleaner.dedupe.buffer.size": "4194304", "socket.send.buffer.bytes": "65536",
                "socket.receive.buffer.bytes": "65536",
            ])
        #expect(sizing.readerThreads == 1)
        #expect(sizing.readAheadBytes == 64 << 10)
        #expect(sizing.journalFileBytes == 16 << 20)
        #expect(sizing.keptBufferBytes == 128 << 10)
        #expect(sizing.allocatorArenas == 2)
    }

    @Test("where there is room nothing is made smaller, only the threads and connections fit the machine")
    func roomy() {
        let sizing = Sizing(MachineLimits(memoryBytes: 16 << 30, processors: 6, openFiles: 1 << 20))
        #expect(
            sizing.configs == ["num.network.threads": "6", "num.io.threads": "6", "max.connections": "1044480"])
        #expect(sizing.readerThreads == 2)
        #expect(sizing.readAheadBytes == nil && sizing.journalFileBytes == nil && sizing.allocatorArenas == nil)
    }

    @Test("whatever the limits, a request of the usual size fits into the budget, and the budget into the memory")
    func always() throws {
        for megabytes in [8, 16, 32, 48, 64, 100, 256, 511, 512, 1_023, 1_024, 65_536] {
            for openFiles in [16, 64, 256, 1_024, 20_000, 1 << 30] {
                let memory = megabytes << 20
                let sizing = Sizing(MachineLimits(memoryBytes: memory, processors: 0.01, openFiles: openFiles))
                let connections = try #require(sizing.configs["max.connections"].flatMap { Int($0) })
                #expect(connections >= 1 && connections < openFiles)
                guard let request = sizing.configs["socket.request.max.bytes"].flatMap({ Int($0) }),
                    let queued = sizing.configs["queued.max.request.bytes"].flatMap({ Int($0) })
                else {
                    #expect(memory >= Sizing.roomyMemory)
                    continue
                }
                #expect(request >= 2 << 20 && queued >= request && queued <= memory / 2)
            }
        }
    }
}

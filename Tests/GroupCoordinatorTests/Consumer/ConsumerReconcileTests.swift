// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@Suite struct ConsumerReconcileTests {
    @Test func theFirstMemberGetsEverything() {
        ConsumerStory.check(
            """
            > topics x=2 y=1
            > join a x
            > beat a 1
            > state
            """
        )
    }

    @Test func aPartitionGoesToItsNewOwnerOnlyWhenTheOldOneGaveItUp() {
        ConsumerStory.check(
            """
            > topics x=2
            > join a x
            > join b x
            > state
            > beat b 2
            > beat a 1
            > beat a 1 owned=x:0,1
            > beat a 1
            > beat b 2
            > beat a 1 owned=x:0
            > beat b 2
            > state
            > describe
            """
        )
    }
}

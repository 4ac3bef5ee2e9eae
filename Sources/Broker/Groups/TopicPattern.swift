import GroupCoordinator
struct TopicPattern {
    init(_ p: String) throws(TopicPatternError) {};
    func matches(_ s: String) throws(TopicPatternError) -> Bool { false }
}

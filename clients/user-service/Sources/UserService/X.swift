import ServiceKit
public func x() {}

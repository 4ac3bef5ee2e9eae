import KafkaClient
import GRDB
import Hummingbird


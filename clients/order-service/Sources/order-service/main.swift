import OrderService
x()

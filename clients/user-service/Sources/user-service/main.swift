import UserService
x()

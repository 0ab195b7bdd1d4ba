import keyway

with keyway.connect() as connection:
    greeter = connection.lookup("greeter")
    print(connection.call(greeter, "Python", timeout=1).text)

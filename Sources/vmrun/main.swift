import Host
Message.fail("not yet")

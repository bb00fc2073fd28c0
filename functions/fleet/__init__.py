"""What both entries need to get to work: the template's variables, and servers from registrations."""

module walnut/bench

go 1.24

module diskv-go

go 1.16

require github.com/peterbourgon/diskv/v3 v3.0.1

module godiskv

go 1.19

require github.com/peterbourgon/diskv/v3 v3.0.1

require github.com/google/btree v1.0.0 // indirect

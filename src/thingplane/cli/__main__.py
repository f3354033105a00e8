from thingplane.cli import main

main()

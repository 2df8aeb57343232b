"""The simulation: one seed decides every delay, order, fault, crash and act of others, and a judge holds it all."""
